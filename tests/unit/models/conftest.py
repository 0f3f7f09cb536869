from tests.doubles.fixtures import fake_ollama, fake_openai

__all__ = ["fake_ollama", "fake_openai"]
