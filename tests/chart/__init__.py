"""The Helm chart, the container image and the workflow that publishes both: rendered with real tools, judged as objects."""
