"""Many recordings, a process each: one that fails or is killed costs no other, and what is done is not done again."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip('rosbags')

from ssrflow_ros import Settings
from ssrflow_ros.cli import bag_fleet, fleet
from ssrflow_ros.cli.fleet import Ended, Run, in_fleet, recordings
from ssrflow_ros.cli.main import main
from ssrflow_ros.errors import InputError

SUMMARY = {'annotated': 3, 'sweeps': 4, 'objects_mean': 1.5, 'took_s': 2.0, 'findings': []}


@pytest.fixture
def program(monkeypatch, tmp_path):
    """Put `python -c CODE` in place of `python -m ssrflow_ros`."""

    def use(code):
        script = tmp_path / 'program.py'
        script.write_text(code)
        wrapper = tmp_path / 'python'
        wrapper.write_text(f'#!/bin/sh\nshift 2\nexec {sys.executable} {script} "$@"\n')
        wrapper.chmod(0o755)
        monkeypatch.setattr(sys, 'executable', str(wrapper))

    return use


def by_name(ended):
    return {one.name: one for one in ended}


def test_each_ends_for_itself(program):
    program(
        'import os, signal, sys\nif sys.argv[1] == "killed": os.kill(os.getpid(), signal.SIGKILL)\n'
        'if sys.argv[1] == "wrong": print("ssrflow: error: no topic", file=sys.stderr); sys.exit(2)\nprint("fine")'
    )
    ended = by_name(in_fleet([Run(name, (name,)) for name in ('killed', 'wrong', 'good')], 2, None))
    assert ended['good'] == Ended('good', 0, 'fine\n', '')
    assert ended['killed'].reason == 'killed by SIGKILL' and ended['wrong'].reason == 'no topic'


def test_no_more_at_a_time_than_asked_for(program, tmp_path):
    program(
        'import os, sys, time\n'
        f'here = {str(tmp_path)!r}\nmine = os.path.join(here, sys.argv[1] + ".on")\nopen(mine, "w").close()\n'
        'print(len([name for name in os.listdir(here) if name.endswith(".on")]))\ntime.sleep(0.2)\nos.remove(mine)'
    )
    ended = list(in_fleet([Run(str(number), (str(number),)) for number in range(6)], 2, None))
    assert max(int(one.output) for one in ended) <= 2 and len(ended) == 6
    with pytest.raises(InputError, match='1 or more'):
        list(in_fleet([], 0, None))


def test_what_runs_ends_with_whoever_asked(program, tmp_path):
    program(f'import os, sys, time\nopen({str(tmp_path)!r} + "/" + str(os.getpid()), "w").close()\ntime.sleep(60)')
    running = in_fleet([Run('quick', ()), Run('slow', ())], 2, None)
    thread = threading.Thread(target=lambda: next(running, None), daemon=True)
    thread.start()
    children = wait_for(lambda: [int(file.name) for file in tmp_path.iterdir() if file.name.isdigit()][1:])
    for child in tuple(fleet._children):
        child.terminate()
    thread.join(120)
    running.close()
    wait_for(lambda: not any(map(is_alive, children)))


def wait_for(what, seconds=120):
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, 'waited in vain'
        time.sleep(0.05)
    return found


def is_alive(pid):
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().rsplit(')', 1)[1].split()[0] not in 'ZX'
    except OSError:
        return False


def test_which_recordings_are_meant(tmp_path):
    for name in ('drives/a/a_0.mcap', 'drives/b/metadata.yaml', 'drives/notes/x.txt', 'drives/old.bag', 'drives/x.txt'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    drives = tmp_path / 'drives'
    all_of_them = [drives / 'a', drives / 'b', drives / 'old.bag']
    assert recordings([str(drives)]) == recordings([f'{drives}/*']) == all_of_them
    assert recordings([str(drives / 'a'), f'{drives}/?']) == all_of_them[:2]
    assert recordings([str(drives / 'no'), str(drives / 'x.txt')]) == [drives / 'no', drives / 'x.txt'], 'told of later'
    with pytest.raises(InputError, match='no recording fits'):
        recordings([f'{drives}/*.mcap'])


BAG = """
import json, os, sys
options = dict(word.removeprefix('--').split('=', 1) for word in sys.argv[1:] if word.startswith('--') and '=' in word)
if sys.argv[2].endswith('bad.bag'):
    sys.exit('ssrflow: error: bad.bag is damaged')
with open(os.path.join(HERE, 'log'), 'a') as log:
    print(os.path.basename(sys.argv[2]), file=log)
made = {**MADE, 'options': [word for word in sys.argv[4:] if word.startswith('--max-gap')]}
os.makedirs(options['output'])
with open(os.path.join(options['output'], 'ssrflow.json'), 'w') as file:
    json.dump(made, file)
print(json.dumps(made))
"""


@pytest.fixture
def drives(tmp_path, program):
    """Three recordings, one of them bad, and a program that makes what `ssrflow bag` makes."""
    for name in ('a.bag', 'b.bag', 'bad.bag'):
        (tmp_path / 'drives').mkdir(exist_ok=True)
        (tmp_path / 'drives' / name).touch()
    program(BAG.replace('HERE', repr(str(tmp_path))).replace('MADE', repr(SUMMARY)))
    return tmp_path


def ran(drives):
    return sorted((drives / 'log').read_text().split())


def test_a_folder_is_annotated_and_resumed(drives, capsys):
    command = ['bag', f'{drives}/drives/*', '-o', str(drives / 'out'), '--workers', '2']
    assert main(command) == 2
    told = capsys.readouterr()
    assert '3 recordings, 1 failed' in told.out and 'FAILED: bad.bag is damaged' in told.out
    assert '3 of 4 sweeps, 1.5 objects a sweep' in told.out and '3 of 3: ' in told.err
    assert ran(drives) == ['a.bag', 'b.bag']
    (drives / 'drives' / 'bad.bag').rename(drives / 'drives' / 'c.bag')
    assert main(command) == 0
    assert '2 of 3 are there already' in capsys.readouterr().err and ran(drives) == ['a.bag', 'b.bag', 'c.bag']
    assert main([*command, '--max-gap', '0.3']) == 2
    assert 'was made with other options (none)' in capsys.readouterr().err


def test_the_table_for_programs(drives, capsys):
    assert main(['bag', str(drives / 'drives'), '-o', str(drives / 'out'), '--json']) == 2
    rows = {row['name']: row for row in json.loads(capsys.readouterr().out)}
    assert rows['a']['annotated'] == 3 and not rows['a']['failed'] and 'damaged' in rows['bad']['failed']


def test_names_that_clash_and_places_that_hold_the_input(drives, capsys):
    (drives / 'more').mkdir()
    (drives / 'more' / 'a.bag').touch()
    assert main(['bag', f'{drives}/*/a.bag', '-o', str(drives / 'out')]) == 2
    assert '2 recordings are called a' in capsys.readouterr().err
    assert main(['bag', str(drives / 'drives'), '-o', str(drives)]) == 2
    assert 'contains the input' in capsys.readouterr().err


def test_a_run_gets_the_options_that_were_given():
    import argparse

    from ssrflow_ros.cli import bag

    parser = argparse.ArgumentParser()
    bag.add_arguments(parser)
    words = ['x', 'y', '-o', 'out', '--workers', '4', '--keep', 'ring', 'time', '--own-body=-1 -1 -1 1 1 1']
    args = parser.parse_args([*words, '--no-steady', '--hindsight', '--objects', 'all.jsonl'])
    run = bag_fleet._run(args, 'x', Path('/data/x'), Path('/out'))
    again = parser.parse_args(run.arguments[1:])
    assert again.input == ['/data/x'] and again.output == '/out/x' and again.json and again.hindsight
    assert again.keep == ['ring', 'time'] and again.setting_own_body == '-1 -1 -1 1 1 1' and again.workers == 1
    assert again.setting_steady is False and again.objects == '/out/x.jsonl' and again.setting_threads >= 1


def test_pairs_are_made_by_several(tmp_path, capsys):
    command = ['train', 'pairs', str(tmp_path / 'pairs'), '--count', '2', '--workers', '2', '--sensor', 'vlp16']
    assert main(command) == 0
    assert 'pairs made  2' in ' '.join(capsys.readouterr().out.split()).replace('made 2', 'made  2')
    assert len(list((tmp_path / 'pairs').glob('*.npz'))) == 2
    assert main(command) == 0 and len(list((tmp_path / 'pairs').glob('*.npz'))) == 2


def test_a_scheduler_that_is_not_there(drives, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'distributed', None)
    assert main(['bag', str(drives / 'drives'), '-o', str(drives / 'out'), '--scheduler', 'tcp://127.0.0.1:1']) == 2
    assert 'pip install distributed' in capsys.readouterr().err


def test_a_cluster_of_two_one_of_which_is_killed(tmp_path, program):
    distributed = pytest.importorskip('distributed')
    program(
        f'import os, sys, time\nhere = {str(tmp_path)!r}\n'
        'open(os.path.join(here, f"{sys.argv[1]}-{os.getppid()}.run"), "w").close()\n'
        'while not os.path.exists(os.path.join(here, "go")): time.sleep(0.05)\nprint(sys.argv[1])'
    )
    program_of_workers = sys.executable

    def do(run):  # in the workers, where nothing is patched
        sys.executable = program_of_workers
        return fleet.ssrflow(run)

    with distributed.LocalCluster(
        2, threads_per_worker=1, processes=True, dashboard_address=None, host='127.0.0.1'
    ) as cluster:
        ended = []
        runs = [Run(f'drive{number}', (f'drive{number}',)) for number in range(4)]
        thread = threading.Thread(
            target=lambda: ended.extend(in_fleet(runs, 1, cluster.scheduler_address, do)), daemon=True
        )
        thread.start()
        begun = wait_for(lambda: (found := list(tmp_path.glob('*.run'))) and len(found) >= 2 and found)
        worker = int(begun[0].stem.split('-')[1])
        assert worker != os.getpid()
        os.kill(worker, signal.SIGKILL)
        lost = begun[0].stem.split('-')[0]
        # What it had at hand goes to another one, which may be busy: dask promises no moment.
        wait_for(lambda: not is_alive(worker))
        (tmp_path / 'go').touch()
        thread.join(120)
    assert len(list(tmp_path.glob(f'{lost}-*.run'))) >= 2, 'begun again'
    assert sorted(one.output.strip() for one in ended) == [f'drive{number}' for number in range(4)]
    assert all(one.code == 0 for one in ended)


def test_settings_are_checked_before_anything_runs(drives, capsys):
    assert main(['bag', str(drives / 'drives'), '-o', str(drives / 'out'), '--network-points', '3']) == 2
    assert 'network_points' in capsys.readouterr().err and not (drives / 'log').exists()
    assert Settings().own_body == 'auto'
