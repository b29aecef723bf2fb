"""What an output may be, and what is left of what lay there: the cases by hand that test_nothing_is_lost.py draws."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip('rosbags')

from test_cli import ENVIRONMENT, assert_fails, pair, some_points, ssrflow, stand_in, write_recording  # noqa: F401

from ssrflow_ros import atomic_write as module
from ssrflow_ros.atomic_write import MARKER, atomic_write, check_free, check_outputs, signature
from ssrflow_ros.errors import InputError
from ssrflow_ros.formats.bags import BagReader


def write_folder(path, overwrite=False, text='new'):
    with atomic_write(path, 'bag', overwrite) as out:
        (out / 'deep' / 'er').mkdir(parents=True)
        (out / 'a.txt').write_text(text)
        (out / 'deep' / 'b.txt').write_text(text)


def write_file(path, overwrite=False, text='new'):
    with atomic_write(path, 'flow', overwrite) as out:
        out.write_text(f'{signature("flow")} {text}')


@pytest.fixture
def made(tmp_path):
    write_folder(tmp_path / 'out')
    return tmp_path / 'out'


def test_a_folder_says_who_made_it_and_of_what(made):
    assert json.loads((made / MARKER).read_text()) == {
        'made_by': signature('bag'),
        'files': {'a.txt': 3, 'deep/b.txt': 3},
    }
    write_folder(made, overwrite=True, text='newer')
    assert (made / 'a.txt').read_text() == 'newer' and os.listdir(made.parent) == ['out']


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda out: (out / 'notes.txt').write_text(''), '"ssrflow bag" did not write notes.txt in it'),
        (lambda out: (out / 'deep' / 'notes.txt').write_text(''), 'did not write deep/notes.txt in it'),
        (lambda out: (out / 'deep' / 'link').symlink_to('nowhere'), 'did not write deep/link in it'),
        (lambda out: (out / 'a.txt').write_text('edited'), 'a.txt in it has changed since "ssrflow bag" wrote it'),
        (lambda out: (out / MARKER).unlink(), '"ssrflow bag" did not make it'),
        (lambda out: (out / MARKER).write_text('[]'), '"ssrflow bag" did not make it'),
        (lambda out: (out / MARKER).write_text('{"made_by": "me", "files": {}}'), '"ssrflow bag" did not make it'),
    ],
)
def test_a_folder_with_anything_of_the_users_is_refused(made, change, words):
    change(made)
    with pytest.raises(InputError, match='move it away yourself') as caught:
        write_folder(made, overwrite=True)
    assert words in str(caught.value) and (made / 'a.txt').exists() and os.listdir(made.parent) == ['out']


def test_only_the_same_command_replaces(made, tmp_path):
    for command in ('pack', 'ba', 'bag '):
        with pytest.raises(InputError, match='did not make it'):
            check_free(made, command, overwrite=True)
    write_file(tmp_path / 'x.npz')
    with pytest.raises(InputError, match='"ssrflow export" did not write it'):
        check_free(tmp_path / 'x.npz', 'export', overwrite=True)
    with pytest.raises(InputError, match='replace it with --overwrite'):
        check_free(tmp_path / 'x.npz', 'flow', overwrite=False)
    write_file(tmp_path / 'x.npz', overwrite=True, text='newer')
    assert (tmp_path / 'x.npz').read_text().endswith('newer')


@pytest.mark.parametrize('overwrite', [False, True])
def test_a_link_is_never_replaced(made, tmp_path, overwrite):
    for target in ('out', 'nowhere', 'link'):
        (tmp_path / 'link').symlink_to(target)
        with pytest.raises(InputError, match='it is a link'):
            write_folder(tmp_path / 'link', overwrite)
        (tmp_path / 'link').unlink()


def test_a_folder_with_a_strange_marker_alone_is_somebodys(tmp_path):
    out = tmp_path / 'out'
    out.mkdir()
    (out / MARKER).write_text('mine')
    with pytest.raises(InputError, match='did not make it'):
        with atomic_write(out, 'bag', True) as unfinished:
            unfinished.mkdir()
    assert (out / MARKER).read_text() == 'mine'


def test_an_empty_folder_is_nothing_to_be_lost(tmp_path):
    (tmp_path / 'out' / 'deep').mkdir(parents=True)
    write_folder(tmp_path / 'out', overwrite=True)
    assert (tmp_path / 'out' / 'a.txt').exists()


@pytest.mark.parametrize('exchange', [True, False])
@pytest.mark.parametrize('write', [write_folder, write_file])
def test_what_others_put_there_meanwhile_stays(tmp_path, monkeypatch, write, exchange):
    if not exchange:
        monkeypatch.setattr(module, '_renameat2', lambda: None)
    renamed = module._renamed

    def after_others(new, place, flag):
        if not os.path.lexists(place):
            place.write_text('theirs')
        return renamed(new, place, flag)

    with monkeypatch.context() as patch:
        patch.setattr(module, '_renamed', after_others)
        for overwrite in (False, True):
            with pytest.raises(InputError, match='exists already, and .*did not'):
                write(tmp_path / 'out', overwrite)
    assert (tmp_path / 'out').read_text() == 'theirs' and os.listdir(tmp_path) == ['out']

    # Into the old one, at the last moment.
    (tmp_path / 'out').unlink()
    write(tmp_path / 'out')

    def exchange_with_others(new, place):
        (place / 'theirs' if place.is_dir() else place).write_text('theirs')
        real(new, place)
        monkeypatch.setattr(module, '_exchange', real)

    real = module._exchange
    monkeypatch.setattr(module, '_exchange', exchange_with_others)
    with pytest.raises(InputError, match='did not write'):
        write(tmp_path / 'out', overwrite=True)
    assert 'theirs' in ((tmp_path / 'out').read_text() if write is write_file else os.listdir(tmp_path / 'out'))
    assert os.listdir(tmp_path) == ['out']


def test_the_old_one_comes_back_if_the_new_one_cannot_take_its_name(made, monkeypatch):
    monkeypatch.setattr(module, '_renameat2', lambda: None)
    rename = os.rename

    def fail(old, new):
        if os.path.basename(new) == 'out' and not str(old).endswith('.old'):
            raise KeyboardInterrupt
        rename(old, new)

    monkeypatch.setattr(os, 'rename', fail)
    with pytest.raises(KeyboardInterrupt):
        write_folder(made, overwrite=True, text='newer')
    assert (made / 'a.txt').read_text() == 'new' and os.listdir(made.parent) == ['out']


def test_a_kill_leaves_the_old_one(made):
    """SIGKILL while the new one is being written; what there was of it lies in a hidden folder."""
    code = (
        'import os, signal\nfrom ssrflow_ros.atomic_write import atomic_write\n'
        'with atomic_write("out", "bag", overwrite=True) as out:\n'
        '    out.mkdir()\n    os.kill(os.getpid(), signal.SIGKILL)\n'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=made.parent, env=ENVIRONMENT)
    assert done.returncode == -signal.SIGKILL
    assert (made / 'a.txt').read_text() == 'new' and not module._foreign(made, 'bag')
    assert all(name == 'out' or name.startswith('.out.unfinished-') for name in os.listdir(made.parent))


@pytest.mark.parametrize(
    'output, words',
    [
        ('in', 'is an input'),
        ('./in/', 'is an input'),
        ('in/deep/../../in', 'is an input'),
        ('link', 'is an input'),
        ('in/new', 'lies inside the input'),
        ('in/deep/new', 'lies inside the input'),
        ('link/new', 'lies inside'),
        ('.', 'contains the input'),
        ('file', 'is an input'),
        ('hard', 'is an input'),
        ('dir', 'contains the input'),
        ('elsewhere', 'contains the input'),
        ('elsewhere/deep', 'contains the input'),
    ],
)
@pytest.mark.parametrize('absolute', [False, True])
def test_an_output_lies_apart_from_all_inputs(tmp_path, monkeypatch, output, words, absolute):
    monkeypatch.chdir(tmp_path)
    for folder in ('in/deep', 'dir', 'elsewhere/deep'):
        os.makedirs(folder)
    for file in ('in/a', 'file', 'elsewhere/deep/b'):
        (tmp_path / file).write_text('')
    os.symlink('in', 'link')
    os.link('file', 'hard')
    os.symlink('../file', 'dir/file')
    os.symlink('../elsewhere/deep/b', 'in/b')  # what is read through a link is an input, too
    inputs = [name if not absolute else tmp_path / name for name in ('in', 'file', 'dir/file')]
    with pytest.raises(InputError, match=f'cannot write .*{words}'):
        check_outputs({'-o': output if absolute else tmp_path / output}, inputs, 'bag', overwrite=True)
    check_outputs({'-o': 'new', '--picture': None}, [*inputs, None, 'gone'], 'bag', overwrite=False)


def test_two_outputs_lie_apart(tmp_path):
    os.symlink(tmp_path, tmp_path / 'link')
    for one, other in (('a', 'a'), ('a', 'a/b'), ('a/b', 'a'), ('a', 'link/a')):
        with pytest.raises(InputError, match='-o and --picture|--picture and -o'):
            check_outputs({'-o': tmp_path / one, '--picture': tmp_path / other}, [], 'flow', overwrite=True)


@pytest.mark.parametrize('overwrite', [False, True])
def test_an_output_without_a_name_is_refused(tmp_path, monkeypatch, overwrite):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="cannot write '': it is no name"):
        check_outputs({'-o': ''}, [], 'bag', overwrite)
    with pytest.raises(InputError, match='it is no name'), atomic_write('', 'bag', overwrite):
        pass
    assert tmp_path.is_dir() and not os.listdir(tmp_path)


@pytest.mark.parametrize('place', ['', 'folder'])
def test_what_is_written_inside_an_output_fails_in_its_name(tmp_path, place):
    with pytest.raises(InputError) as caught, atomic_write(tmp_path / 'out', 'bag') as unfinished:
        part = unfinished / place
        if place:
            part.parent.mkdir()
        with atomic_write(part):
            raise OSError(28, 'No space left on device')
    assert str(caught.value).startswith(f'cannot write {tmp_path / "out"}: No space left') and not os.listdir(tmp_path)


# --- as the user meets it ----------------------------------------------------------------------------------------


def test_pack_does_not_delete_its_sweeps(ssrflow, tmp_path):  # noqa: F811
    (tmp_path / 'sweeps').mkdir()
    for number in range(3):
        np.save(tmp_path / 'sweeps' / f'{number}.npy', some_points())
    files = sorted((tmp_path / 'sweeps').iterdir())
    for given, output, words in (
        (files, 'sweeps', 'contains the input'),
        ([tmp_path / 'sweeps'], 'sweeps', 'an input'),
        ([tmp_path / 'sweeps'], 'sweeps/bag', 'lies inside'),
        (files, '.', 'contains'),
    ):
        assert_fails(ssrflow('pack', *given, '-o', tmp_path / output, '--overwrite'), words)
        assert sorted((tmp_path / 'sweeps').iterdir()) == files


def test_bag_and_simulate_do_not_delete_recordings_and_homes(ssrflow, stand_in, tmp_path):  # noqa: F811
    write_recording(tmp_path / 'rec', [1.0, 1.1])
    (file,) = (tmp_path / 'rec').glob('*.mcap')
    for given, output in ((tmp_path / 'rec', 'rec'), (file, 'rec'), (file, f'rec/{file.name}'), (file, '.')):
        assert_fails(ssrflow('bag', given, '-o', tmp_path / output, '--overwrite'), 'cannot write')
    (tmp_path / 'home').mkdir()
    (tmp_path / 'home' / 'letter.txt').write_text('dear')
    assert_fails(ssrflow('simulate', '-o', tmp_path / 'home', '--overwrite'), '"ssrflow simulate" did not make it')
    assert_fails(ssrflow('bench', '-o', tmp_path / 'home'), '"ssrflow bench" did not make it')
    assert_fails(ssrflow('bench', '-o', tmp_path / 'home' / 'letter.txt', '--overwrite'), 'did not write it')
    assert (tmp_path / 'home' / 'letter.txt').read_text() == 'dear'
    with BagReader(tmp_path / 'rec') as bag:
        assert bag.topics['/points'][1] == 2
    out = ssrflow('bag', '--help')[1]
    assert 'delete it once the new one is complete' in ' '.join(out.split())


def test_flow_does_not_destroy_its_input(ssrflow, stand_in, tmp_path):  # noqa: F811
    both = tmp_path / 'ab.npz'
    np.savez(both, pc1=some_points(80), pc2=some_points(70))
    before = both.read_bytes()
    options = (both, both, '--dt', '0.1')
    for more in (('-o', both), ('-o', both, '--overwrite'), ('-o', tmp_path / 'o.npz', '--picture', both)):
        assert_fails(ssrflow('flow', *options, *more), 'it is an input')
    assert_fails(ssrflow('flow', *options, '-o', tmp_path / 'o.npz', '--picture', tmp_path / 'o.npz'), 'name one place')
    assert both.read_bytes() == before and os.listdir(tmp_path) == ['ab.npz']

    np.savez(tmp_path / 'mine.npz', flow=np.ones(3))
    outputs = ('-o', tmp_path / 'o.npz', '--picture', tmp_path / 'o.png')
    assert_fails(ssrflow('flow', *options, '-o', tmp_path / 'mine.npz', '--overwrite'), 'did not write it')
    assert ssrflow('flow', *options, *outputs)[0] == 0
    assert_fails(ssrflow('flow', *options, *outputs), '--overwrite')
    assert ssrflow('flow', *options, *outputs, '--overwrite')[0] == 0
    with np.load(tmp_path / 'o.npz') as found:
        assert len(found['flow']) == 80
    assert (tmp_path / 'o.png').read_bytes().startswith(b'\x89PNG')
