"""What a process keeps of the memory that it has used is bounded, whatever comes."""

import ctypes.util
import gc
import os
import shutil
import subprocess
import sys
import weakref

import numpy as np
import pytest

from ssrflow_ros import Settings, Sweep, SweepPair
from ssrflow_ros.preparation import Preparation

BOUND = 'from ssrflow_ros.process_memory import bound_memory\nbound_memory()\n'


def run(code, **environment):
    kept = {name: value for name, value in os.environ.items() if 'CACHE_CAPACITY' not in name and 'MALLOC' not in name}
    return subprocess.run(
        [sys.executable, '-c', BOUND + code], env={**kept, **environment}, check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='what malloc has given out is asked of glibc')
def test_another_number_of_points_each_time_costs_no_memory():
    """oneDNN's code for each layer and number of rows would be 0.5 MB each: here 100 MB, bounded to the newest."""
    in_use = run("""if True:
        import ctypes
        import torch
        from ssrflow_ros.operators import linear
        class Info(ctypes.Structure):
            _fields_ = [(name, ctypes.c_size_t) for name in ('arena', 'ordblks', 'smblks', 'hblks', 'hblkhd', 'usmblks',
                                                             'fsmblks', 'uordblks', 'fordblks', 'keepcost')]
        mallinfo = ctypes.CDLL(None).mallinfo2
        mallinfo.restype = Info
        weight, bias, used = torch.rand(32, 32), torch.rand(32), []
        with torch.inference_mode():
            for rows in range(9000, 9000 + 400):
                linear(torch.rand(rows, 32), weight, bias, 0.1)
                used.append(mallinfo().uordblks / 2**20)
        print(used[199] - used[0], used[399] - used[199])""").split()
    first, second = map(float, in_use)
    assert second < 2, f'the first 200 numbers of rows took {first:.0f} MB, the next 200 {second:.0f}'


def test_what_the_user_has_set_stays():
    code = "import os; print(os.environ['LRU_CACHE_CAPACITY'], os.environ['ONEDNN_PRIMITIVE_CACHE_CAPACITY'])"
    assert run(code, LRU_CACHE_CAPACITY='7').split() == ['7', '128']


def on_jemalloc(folder, **environment):
    """What a program tells that is given the words `a b`, where the loader looks into `folder`, too."""
    code = """if True:
        import os
        import sys
        print('begins', os.getpid(), flush=True)
        from ssrflow_ros.process_memory import allocator, run_on_jemalloc
        run_on_jemalloc()
        with open('/proc/self/maps') as maps:
            print(os.getpid(), *sys.argv[1:], 'LD_PRELOAD' in os.environ, 'libjemalloc' in maps.read(), allocator())"""
    kept = {name: value for name, value in os.environ.items() if name not in ('LD_PRELOAD', 'MALLOC_CONF')}
    return subprocess.run(
        [sys.executable, '-c', code, 'a', 'b'],
        env={**kept, 'LD_LIBRARY_PATH': str(folder), **environment},
        check=True,
        capture_output=True,
        text=True,
    )


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason="Linux's loader")
def test_where_jemalloc_is_installed_a_program_begins_anew_on_it_as_the_same_process_with_the_same_words(tmp_path):
    with open('/proc/self/maps') as maps:
        any_library = next(line.split()[-1] for line in maps if '/libm.so' in line)
    shutil.copy(any_library, tmp_path / 'libjemalloc.so.2')  # so that this is tried on every machine
    first, second, told = on_jemalloc(tmp_path).stdout.splitlines()
    assert first == second and first.startswith('begins ')
    assert told.startswith(f'{first.split()[1]} a b False True ')
    # Whoever has chosen is left alone.
    first, told = on_jemalloc(tmp_path, LD_PRELOAD='').stdout.splitlines()
    assert told.startswith(f'{first.split()[1]} a b True False ')


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason="Linux's loader")
def test_a_jemalloc_that_does_not_load_is_not_used_and_nothing_is_said(tmp_path):
    (tmp_path / 'libjemalloc.so.2').write_text('no library')
    done = on_jemalloc(tmp_path)
    first, told = done.stdout.splitlines()
    assert told.startswith(f'{first.split()[1]} a b False False ') and not done.stderr


@pytest.mark.skipif(ctypes.util.find_library('jemalloc') is None, reason='jemalloc is not installed')
def test_jemalloc_is_told_as_the_allocator(tmp_path):
    assert on_jemalloc(tmp_path).stdout.splitlines()[-1].endswith(' True jemalloc')
    assert on_jemalloc(tmp_path, LD_PRELOAD='').stdout.splitlines()[-1].endswith(" False the C library's")


def test_what_is_made_while_libraries_are_loaded_is_not_looked_through_and_what_was_garbage_before_is_not_kept():
    told = run("""if True:
        import gc
        import weakref
        from ssrflow_ros.process_memory import loading
        class Thing:
            pass
        garbage = Thing()
        garbage.itself, is_there = garbage, weakref.ref(garbage)
        del garbage
        with loading():
            print(gc.isenabled(), is_there())
            kept = [[] for _ in range(1000)]
        print(gc.isenabled(), gc.get_freeze_count() >= 1000, any(item is kept for item in gc.get_objects()))
        try:
            with loading():
                raise OSError
        except OSError:
            print(gc.isenabled())""").split()
    assert told == ['False', 'None', 'True', 'True', 'False', 'True']


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='Linux only tells what is resident')
def test_what_is_free_between_arrays_that_are_kept_is_given_back():
    before, after = run("""if True:
        import numpy as np
        from ssrflow_ros.process_memory import give_back_heap
        def resident():
            return int(open('/proc/self/statm').read().split()[1]) * 4096 / 2**20
        arrays = [np.ones(2**17) for _ in range(100)]  # 1 MB each
        kept = arrays[::2]
        del arrays
        before = resident()
        give_back_heap()
        print(before, resident(), end=' ')
        assert all((array == 1).all() for array in kept)""").split()
    assert float(before) - float(after) > 40


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='Linux only tells what is resident')
def test_code_that_only_the_start_needed_is_given_back_and_all_goes_on():
    before, after, total = run("""if True:
        import torch
        from ssrflow_ros.process_memory import give_back_code
        def of_files():
            pages = open('/proc/self/statm').read().split()
            return int(pages[2]) * 4096 / 2**20
        a = torch.ones(300, 300)
        a @ a
        before = of_files()
        give_back_code()
        after = of_files()
        print(before, after, (a @ a).sum().item())""").split()
    assert float(after) < float(before) / 2 and float(total) == 300**3


@pytest.mark.parametrize('keeps', [False, True])
def test_of_a_stream_only_the_last_half_second_is_kept(keeps):
    """Sweeps, their range images and what is prepared of them live no longer than something may ask for them; who
    `keeps` every sweep keeps no more than these."""
    prepare, rng = Preparation(Settings(network_points=256, ground='none')), np.random.default_rng(0)
    scene = rng.uniform((-20, -20, -2), (20, 20, 3), (6000, 3)).astype(np.float32)
    scene[:4000, 0] = np.round(scene[:4000, 0] / 10) * 10  # walls and a floor, so that scan matching finds its way
    scene[2000:5000, 1] = np.round(scene[2000:5000, 1] / 10) * 10
    scene[5000:, 2] = -2
    sweeps, images, beams, kept, last = weakref.WeakSet(), weakref.WeakSet(), weakref.WeakSet(), [], None
    for number in range(1, 25):
        sweep = Sweep.from_points(scene[rng.permutation(6000)[:5000]], stamp_ns=number * 100_000_000)
        sweeps.add(sweep)
        if last is not None:
            prepared = prepare(SweepPair(sweep, last))
            images.update(prepared.range_images)
            beams.update(prepared.beams)
            assert prepared.past_age == pytest.approx(0.0 if number == 2 else min(0.1 * (number - 1), 0.6))
        last = sweep
        kept += [sweep] * keeps
    del sweep, prepared
    gc.collect()
    assert len(sweeps) == (len(kept) or 1)  # `last`
    assert len(images) <= 8  # seven of the last 0.6 s, and the one that has seen nothing, which all share
    assert len(beams) <= 6


def test_a_ready_method_has_not_loaded_the_compiler_of_torch():
    """A second and 150 MB, for nothing."""
    told = 'print({"torch._dynamo", "sympy"} & set(sys.modules))'
    done = run(f'import sys\nfrom ssrflow_ros import SceneFlow, Settings\nSceneFlow(Settings())\n{told}')
    assert done.strip() == 'set()'
