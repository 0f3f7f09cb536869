"""The conversation: prompt, questions and streaming answers."""
