# ROS 2 with the flow node for a desktop with an NVIDIA GPU. Written with care, never built yet: docs/operation.md.
#
#   docker build -f docker/desktop.Dockerfile -t ssrflow .
#   docker run --rm --gpus all --network host --ipc host ssrflow points:=/my/topic
#
# Needs the NVIDIA Container Toolkit on the host; CUDA itself comes with torch's wheels.
ARG ROS_DISTRO=jazzy
FROM ros:${ROS_DISTRO}-ros-base

# Ubuntu 24.04 refuses pip in the system's Python; this system is ours alone.
ENV DEBIAN_FRONTEND=noninteractive PIP_BREAK_SYSTEM_PACKAGES=1 PIP_NO_CACHE_DIR=1
# The CUDA of this index must be one that the host's driver knows.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cu126
RUN apt-get update && apt-get install -y --no-install-recommends python3-pip && rm -rf /var/lib/apt/lists/* \
    && pip install torch --index-url ${TORCH_INDEX}

COPY . /ws/src/ssrflow_ros
RUN /ws/src/ssrflow_ros/docker/install.sh
ENTRYPOINT ["/ws/src/ssrflow_ros/docker/entrypoint.sh"]
CMD ["--show-args"]
