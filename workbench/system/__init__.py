"""The machine: seeds and threads, files, and where code and data come from."""
