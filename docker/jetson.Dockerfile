# ROS 2 Humble with the flow node for an NVIDIA Jetson with JetPack 6. Written with care, never built yet: docs/operation.md.
#
#   docker build -f docker/jetson.Dockerfile -t ssrflow .            # on the Jetson
#   docker run --rm --runtime nvidia --network host --ipc host ssrflow points:=/my/topic
#
# PyTorch's own aarch64 wheels do not know the Jetson's GPU, so torch comes from an index for JetPack. Ubuntu 22.04, Python 3.10.
ARG L4T=r36.4.0
FROM nvcr.io/nvidia/l4t-jetpack:${L4T}

ENV DEBIAN_FRONTEND=noninteractive PIP_BREAK_SYSTEM_PACKAGES=1 PIP_NO_CACHE_DIR=1 LANG=C.UTF-8 ROS_DISTRO=humble
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl python3-pip \
    && curl -sSL https://raw.githubusercontent.com/ros/rosdistro/master/ros.key -o /usr/share/keyrings/ros.gpg \
    && echo "deb [arch=arm64 signed-by=/usr/share/keyrings/ros.gpg] http://packages.ros.org/ros2/ubuntu jammy main" \
       > /etc/apt/sources.list.d/ros2.list \
    && apt-get update && apt-get install -y --no-install-recommends \
       ros-${ROS_DISTRO}-ros-base python3-colcon-common-extensions python3-rosdep \
    && rosdep init && rm -rf /var/lib/apt/lists/*
ARG TORCH_INDEX=https://pypi.jetson-ai-lab.io/jp6/cu126
RUN pip install torch==2.8.0 --index-url ${TORCH_INDEX}

COPY . /ws/src/ssrflow_ros
RUN /ws/src/ssrflow_ros/docker/install.sh
ENTRYPOINT ["/ws/src/ssrflow_ros/docker/entrypoint.sh"]
CMD ["--show-args"]
