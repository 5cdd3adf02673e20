"""The paper: its figures, and what blind predictors score beside them."""
