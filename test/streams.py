"""The time policy as a table, for the step alone (test_pairing.py) and for the live node (test_time_policy.py)."""

from ssrflow_ros.steps import pairing

# Stamps, s, after a beginning that each row has for itself; a text is the frame of the clouds from there on. What
# each cloud gives: its dt, or the reason why there is no flow.
TABLE = {
    'steady': ([0.0, 0.1, 0.2], [pairing.FIRST, -0.1, -0.1]),
    'a rate that varies': ([0.0, 0.05, 0.3], [pairing.FIRST, -0.05, -0.25]),
    'duplicate': ([0.0, 0.1, 0.1, 0.2], [pairing.FIRST, -0.1, pairing.DUPLICATE, -0.1]),
    'backward': ([0.0, 0.2, 0.1, 0.3], [pairing.FIRST, -0.2, pairing.OUT_OF_ORDER, -0.1]),
    'bag loop': ([10.0, 10.1, 0.0, 0.1], [pairing.FIRST, -0.1, pairing.TIME_RESTARTED, -0.1]),
    'gap': ([0.0, 0.1, 0.7, 0.8], [pairing.FIRST, -0.1, pairing.GAP, -0.1]),
    'pause and resume': ([0.0, 0.1, 'pause', 0.2], [pairing.FIRST, -0.1, -0.1]),
    'the driver was stopped and started': ([0.0, 0.1, 'pause', 60.0, 60.1], [pairing.FIRST, -0.1, pairing.GAP, -0.1]),
    'clock jumps ahead': ([0.0, 0.1, 3600.0, 3600.1], [pairing.FIRST, -0.1, pairing.GAP, -0.1]),
    'clock jumps back': ([3600.0, 3600.1, 0.0, 0.1], [pairing.FIRST, -0.1, pairing.TIME_RESTARTED, -0.1]),
    'sensor counts from its start': ([-1.7e9 + 5, -1.7e9 + 5.1], [pairing.FIRST, -0.1]),
    'frame changes': ([0.0, 0.1, 'other', 0.2, 0.3], [pairing.FIRST, -0.1, pairing.OTHER_FRAME, -0.1]),
}
