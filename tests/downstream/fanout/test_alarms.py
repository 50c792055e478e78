from bridge.downstream.fanout.alarms import Alarms


def test_alarms_ring_in_the_order_of_their_times_once_and_not_before():
    rung: list[str] = []
    alarms = Alarms()
    assert alarms.next == float("inf")
    alarms.set(3, lambda now: rung.append("c"))
    alarms.set(1, lambda now: rung.append("a"))
    alarms.set(2, lambda now: rung.append("b"))
    assert alarms.next == 1
    alarms.ring(0.9)
    assert rung == []
    alarms.ring(2)
    assert rung == ["a", "b"]
    alarms.ring(2)
    assert (rung, len(alarms)) == (["a", "b"], 1)


def test_a_cancelled_alarm_is_silent():
    rung: list[int] = []
    alarms = Alarms()
    alarm = alarms.set(1, lambda now: rung.append(1))
    alarm.cancel()
    alarm.cancel()
    alarms.ring(5)
    assert (rung, len(alarms)) == ([], 0)


def test_an_alarm_may_set_itself_again():
    rung: list[float] = []
    alarms = Alarms()

    def again(now: float) -> None:
        rung.append(alarms.next)
        alarms.set(10, again)

    alarms.set(1, again)
    alarms.ring(1)
    assert (len(rung), alarms.next) == (1, 10)
