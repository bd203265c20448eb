"""Speed and memory, measured against named peers; recipes, measured against the truth."""
