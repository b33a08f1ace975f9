import time

import pytest
from front_doors import DOORS


@pytest.mark.parametrize("door", DOORS)
def test_a(seeded, door):
    a=time.time()
    o = seeded.ask(door, "absent.txt")
    print(time.time()-a, o.output)
    o.is_diagnosis(4)
    seeded.nothing_is_left()
    a=time.time()
    seeded.recovers(door)
    print(time.time()-a)
    assert 0
