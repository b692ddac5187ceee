"""Every number of the rotation, in one place (and one text). Seconds, unless it says otherwise."""

from __future__ import annotations

# Keys of ours that may be alive at the same time: the old one, the new one, and one that was lost.
MAX_LIVE_KEYS = 3

# A pending key is given up after this long, or after this many attempts.
GIVE_UP_AFTER = 600.0
GIVE_UP_ATTEMPTS = 5

# The pauses between rotations that failed.
FIRST_PAUSE = 60.0
LONGEST_PAUSE = 6 * 3600.0
RETRY = 5.0
# The longest of these where the password was corrected meanwhile: consumers wait for nothing else.
LONGEST_UNSENT = 300.0

# How soon to look again while Argo CD cannot be asked about the Secret's token.
LOOK_AGAIN = 15.0

# How long a proof of a token counts.
PROOF_LASTS = 60.0

# Whoever is in the middle of a login (20 s at most) and a mint (10 s) is left to finish it.
CALL_LASTS = 30.0

# A replica of Argo CD may not list a key that another one made for this long (4 to 14 s were seen).
REPLICA_LAG = 60.0

# A key whose creation was lost may still appear on the account for this long.
TOMBSTONE_LASTS = 900.0
SWEEP_EVERY = 300.0

# How often the grace period and the consumers are looked at.
GRACE_LOOK = 60.0
CONSUMERS_LOOK = 30.0
MAX_RESTART_ATTEMPTS = 5

# A write that another writer undid counts as one of a series when the one before was not longer ago than this.
REVERTS_LAST = 2 * 86_400.0
MAX_REVERTS = 2
# Why a write of the Secret was not done. As often as a pending key is tried, it is a duel of its own.
IN_BETWEEN = "another writer wrote the Secret at the same moment"

# A key of ours that is deleted in Argo CD within this time of its rotation counts as one of a series. So many are replaced
# at once, as if a person had deleted them; for each further one the pause since the last rotation doubles.
VANISHING_LASTS = 2 * LONGEST_PAUSE
MAX_VANISHED = 3

# Texts from outside, and names of consumers, that the journal keeps.
MAX_TEXT = 400
MAX_NAMED = 10
MAX_NAME = 100
