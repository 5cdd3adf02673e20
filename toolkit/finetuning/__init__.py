"""Fine-tuning: networks trained on pixels, or on cached features where the trunk is frozen."""
