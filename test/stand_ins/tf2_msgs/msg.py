"""In place of tf2_msgs, which is not on PyPI: a TransformStamped that reads like a TFMessage of one transform."""

from geometry_msgs.msg import TransformStamped as TFMessage

TFMessage.transforms = property(lambda self: [self])
