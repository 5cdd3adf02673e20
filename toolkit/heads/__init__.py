"""Heads: scikit-learn estimators for all labels at once; they know arrays only."""
