"""Room 1: images, labels, splits and folds."""
