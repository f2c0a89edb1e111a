"""Ways to move a model: freezing, LoRA, L2-SP, the list of methods, and supervised fine-tuning."""
