"""Task retrieval without a learned retriever: arrays in, names and scores out, no PyTorch."""
