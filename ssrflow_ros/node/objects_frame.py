"""The frame in which the node publishes objects: the clouds', or any to which tf leads from there."""

from __future__ import annotations

from typing import Any

from std_msgs.msg import Header

from ..errors import EgoMotionError
from ..formats.stamped import stamp_ns
from ..objects.frames import in_frame
from ..sweep import MovingObject
from .ego_sources import PoseSource
from .lifecycle import ManagedNode


class ObjectsFrame:
    """Listens to /tf and /tf_static, if the setting `objects_frame` of `node` names a frame, from now on."""

    def __init__(self, node: ManagedNode):
        frame = node.settings.objects_frame.strip('/')
        settings = node.settings.replace(ego_motion='tf', fixed_frame=frame, mounting='')
        self._frame, self._tf = frame, PoseSource(node, settings, 'objects_frame') if frame else None

    def of(self, objects: tuple[MovingObject, ...], message: Any) -> tuple[tuple[MovingObject, ...], Header]:
        """`objects`, given in the frame and at the time of the `message`'s header, and a header for them.

        Waits up to `pose_wait` for tf of that time. Raises EgoMotionError, with the cure, where tf does not lead there.
        """
        header = message.header
        if self._tf is None or header.frame_id.strip('/') == self._frame:
            return objects, header
        try:
            pose = self._tf.at(header.frame_id, stamp_ns(message))
        except EgoMotionError as error:
            raise EgoMotionError(str(error).replace('fixed_frame', 'objects_frame')) from None
        return in_frame(objects, pose), Header(stamp=header.stamp, frame_id=self._frame)

    def reset(self) -> None:
        """Forget what was received."""
        if self._tf is not None:
            self._tf.reset()

    def destroy(self) -> None:
        """Stop listening."""
        if self._tf is not None:
            self._tf.destroy()
