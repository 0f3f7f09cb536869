"""Tools: what a graph may do besides asking a model, each with a declared effect, a permission and a time limit."""
