"""One scope: selection of features, pipeline, search for k, model row."""
