import torch
from torch import nn

from ajuste_fino.threads import FLOPS_PER_THREAD, flops_of_step, threads_for


def test_operations_are_counted_and_nothing_is_moved():
    net = nn.Sequential(nn.Linear(10, 20), nn.BatchNorm1d(20), nn.Dropout())
    net[2].eval()
    assert flops_of_step(net, torch.randn(1, 10), 64) == 3 * 64 * 2 * 10 * 20
    assert net[1].num_batches_tracked == 0
    assert net.training and net[1].training and not net[2].training


def test_small_work_gets_one_thread_and_large_work_what_there_is():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threads_for(1e6):
            assert torch.get_num_threads() == 1
        with threads_for(1000 * FLOPS_PER_THREAD):
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_waiting_threads_sleep_unless_the_user_says_otherwise():
    import os
    import subprocess
    import sys

    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    code = f"import os, ajuste_fino; print(*(os.environ.get(name) for name in {names}))"
    for given, expected in (({}, "PASSIVE 1000"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE None")):
        environment = {name: value for name, value in os.environ.items() if name not in names} | given
        out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert out.stdout.strip() == expected
