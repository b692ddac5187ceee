"""Token Monitor: tests the credential with which other systems talk to Argo CD, and says why it is refused."""

__version__ = "0.1.0"
