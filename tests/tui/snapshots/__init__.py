"""Every screen in its states, as text grids with their styles, at four sizes and in two themes."""
