"""The cockpit in a browser, through `textual-serve`: one process for each page, and a guard before all of them."""

SERVED_DRIVER = "tinyllm_tui.serve.driver:ServedDriver"
"""What `TEXTUAL_DRIVER` is in a cockpit that is served."""
