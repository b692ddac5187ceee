"""The demo: a simulated Argo CD, the real monitor, and what happens to both in real life.

`story` says what is done and what the monitor must say, as data; `stage` has the simulator, the monitor and the
credentials; `play` performs the story and tells it.
"""
