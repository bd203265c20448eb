"""Pictures of the segmentation: one house style, the same bytes from the same tables."""
