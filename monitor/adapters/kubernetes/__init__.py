"""The Kubernetes API, over kubernetes-asyncio."""
