"""Store feature vectors, made from long tables."""
