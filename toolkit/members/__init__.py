"""Room 3: heads, fine-tuned networks, and the predictions they leave behind."""
