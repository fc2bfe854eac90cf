package schemas

import (
	"embed"
	"encoding/json"
	"fmt"
)

//go:embed jsonschema
var schemaFiles embed.FS

// Schema gives the JSON Schema (2020-12) of the topic's events, for producers
// and their tests. With a vocabulary the configured event types and tenants
// are part of it. It cannot see everything that the decoder checks: the size
// of a record, fields given twice, decimals beyond the currency's, personal
// data below the top level.
func Schema(v *Vocabulary, t Topic) ([]byte, error) {
	raw, err := schemaFiles.ReadFile("jsonschema/" + t.String() + ".v1.json")
	if err != nil || v == nil {
		return raw, err
	}
	var doc map[string]json.RawMessage
	var defs map[string]json.RawMessage
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("read the schema of %s: %w", t, err)
	}
	if err := json.Unmarshal(doc["$defs"], &defs); err != nil {
		return nil, fmt.Errorf("read the definitions of %s: %w", t, err)
	}
	d := NewDecoder(v)
	types := []string{}
	for i := range v.Types {
		kind := KindOther
		if i < int(NumKinds) {
			kind = Kind(i)
		}
		if name := v.Types[i]; i > int(KindOther) && kind.Topic() == t {
			types = append(types, name, longType(name, t))
		}
	}
	tenants := []any{}
	for _, name := range v.TenantNames {
		tenants = append(tenants, name)
	}
	if d.fallback >= 0 {
		tenants = append(tenants, "", nil)
	} else {
		doc["required"] = json.RawMessage(`["tenantid",` + string(doc["required"][1:]))
	}
	for name, list := range map[string]any{"type": types, "tenant": tenants} {
		if defs[name], err = json.Marshal(map[string]any{"enum": list}); err != nil {
			return nil, fmt.Errorf("write the definition of %s: %w", name, err)
		}
	}
	if doc["$defs"], err = json.Marshal(defs); err != nil {
		return nil, fmt.Errorf("write the schema of %s: %w", t, err)
	}
	return json.MarshalIndent(doc, "", "  ")
}
