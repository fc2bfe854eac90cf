// Package eyes has tests only: it runs the generated rules in simulated time
// with the Prometheus library. It is a module of its own, so that the library
// stays out of the program's.
package eyes
