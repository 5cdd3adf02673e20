"""The paper: its figures, and what predictors that ignore the image would score."""
