"""Documents that are made from the program, and the tests that they are not stale."""
