"""`python -m tinyllm_tui` is `tinyllm-tui`."""

from tinyllm_tui.cli import main

if __name__ == "__main__":
    main()
