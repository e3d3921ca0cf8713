from connector.admin.heartbeat import Heartbeat


def test_a_loop_that_beats_lives_and_one_that_stops_is_named_with_its_age():
    now = [100.0]
    heartbeat = Heartbeat(limit_seconds=60.0, clock=lambda: now[0])
    assert heartbeat.stalled() is None, "a process that has just started has not missed a beat"
    now[0] = 159.0
    heartbeat.beat(now[0])
    now[0] = 219.0
    assert heartbeat.stalled() is None
    now[0] = 219.5
    assert heartbeat.stalled() == "the loop has not beaten for 60 s, expected every 60 s at least"
    heartbeat.beat(now[0])
    assert heartbeat.stalled() is None, "it counts as alive again by itself"
