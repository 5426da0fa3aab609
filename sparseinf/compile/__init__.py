"""Python compiles: chooses a form for each layer, packs it, and hands it to the runtime."""
