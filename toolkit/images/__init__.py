"""Images: sources, decoding, preprocessing, and pixels kept on disk."""
