"""The rotation as a pure state machine: from journal, Secret, key list and clock to the next step.

`machine.decide` says what to write into the journal and what to do then, or until when to wait; `learning.learn` takes
in what came of it. A crash, a lost answer or a second replica at any moment leaves a journal from which the same
functions go on; the table of design.md says what each state means then. Whoever carries it out: `services/rotator`.

    situation   the facts of one moment, and a step      limits     every number
    machine     one function a state, in one table       access     the account is reached: by live key or by login
    rest        idle: what was found, sweep, begin       endings    how a rotation ends: done, failed, abandoned
    learning    what came of an effect
"""
