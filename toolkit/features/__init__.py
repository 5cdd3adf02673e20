"""Room 2: backbones, decoding, engines and the embedding cache."""
