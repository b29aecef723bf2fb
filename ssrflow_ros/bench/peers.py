"""What else could do the job: plain-torch references, and libraries that happen to be installed.

Nothing is installed for this; what cannot be imported is left out, and named.
"""
from __future__ import annotations

from typing import Any, Callable

import numpy as np
import torch

Work = Callable[[], Any]


def nearest_neighbours(queries: np.ndarray, points: np.ndarray, k: int) -> dict[str, Work]:
    """k nearest of points (N, 3) to queries (M, 3), float32: building and asking, each library as it is meant."""
    threads = torch.get_num_threads()

    def scipy():
        from scipy.spatial import cKDTree
        return cKDTree(points).query(queries, k, workers=threads)

    def small_gicp():
        from small_gicp import KdTree
        return KdTree(points.astype(np.float64), threads).batch_knn_search(queries.astype(np.float64), k, threads)

    def pykdtree():
        from pykdtree.kdtree import KDTree
        return KDTree(points).query(queries, k)

    def open3d():
        from open3d.core import Tensor, nns
        search = nns.NearestNeighborSearch(Tensor.from_numpy(points))
        search.knn_index()
        return search.knn_search(Tensor.from_numpy(queries), k)

    def pynanoflann():
        from pynanoflann import KDTree
        tree = KDTree(n_neighbors=k)
        tree.fit(points)
        return tree.kneighbors(queries, n_jobs=threads)

    def faiss():
        from faiss import IndexFlatL2
        index = IndexFlatL2(3)
        index.add(points)
        return index.search(queries, k)

    def scikit_learn():
        from sklearn.neighbors import KDTree
        return KDTree(points).query(queries, k)

    def torch_cluster():
        from torch_cluster import knn
        return knn(torch.from_numpy(points), torch.from_numpy(queries), k)

    return {'scipy': scipy, 'small_gicp': small_gicp, 'pykdtree': pykdtree, 'open3d': open3d,
            'pynanoflann': pynanoflann, 'faiss': faiss, 'scikit-learn': scikit_learn, 'torch_cluster': torch_cluster}


def farthest_points(points: np.ndarray, n: int) -> dict[str, Work]:
    """Farthest point sample of `n` of points (N, 3), float32."""
    def fpsample():
        from fpsample import bucket_fps_kdline_sampling
        return bucket_fps_kdline_sampling(points, n, 5, start_idx=0)

    def open3d():
        from open3d.geometry import PointCloud
        from open3d.utility import Vector3dVector
        return PointCloud(Vector3dVector(points.astype(np.float64))).farthest_point_down_sample(n)

    def torch_cluster():
        from torch_cluster import fps
        return fps(torch.from_numpy(points), ratio=n / len(points), random_start=False)

    return {'fpsample': fpsample, 'open3d': open3d, 'torch_cluster': torch_cluster}


def thinning(points: np.ndarray, voxel: float) -> dict[str, Work]:
    """One point a voxel."""
    def small_gicp():
        from small_gicp import voxelgrid_sampling
        return voxelgrid_sampling(points.astype(np.float64), voxel, num_threads=1)

    def open3d():
        from open3d.geometry import PointCloud
        from open3d.utility import Vector3dVector
        return PointCloud(Vector3dVector(points.astype(np.float64))).voxel_down_sample(voxel)

    return {'small_gicp': small_gicp, 'open3d': open3d,
            'numpy.unique': lambda: np.unique(np.floor(points / voxel).astype(np.int64), axis=0, return_index=True)}


def ground(points: np.ndarray) -> dict[str, Work]:
    """Ground removal of a whole sweep (N, 3)."""
    def patchwork():
        from ..settings import Settings
        from ..steps.ground import make_ground
        remove = make_ground(Settings(ground='patchwork'))
        return remove(points)

    def open3d():
        from open3d.geometry import PointCloud
        from open3d.utility import Vector3dVector
        return PointCloud(Vector3dVector(points.astype(np.float64))).segment_plane(0.1, 3, 200)

    return {'Patchwork++': patchwork, 'open3d, one plane by RANSAC': open3d}


def ego_motion(source: np.ndarray, target: np.ndarray) -> dict[str, Work]:
    """Motion between two whole sweeps (N, 3), (M, 3), nothing kept from before."""
    def small_gicp():
        from small_gicp import align
        return align(target.astype(np.float64), source.astype(np.float64), registration_type='GICP',
                     downsampling_resolution=0.5, max_correspondence_distance=1.5,
                     num_threads=torch.get_num_threads())

    def kiss_icp():
        from kiss_icp.config import KISSConfig
        from kiss_icp.kiss_icp import KissICP
        config = KISSConfig()
        config.data.deskew = False
        config.mapping.voxel_size = 1.0
        odometry = KissICP(config)
        for points in (target, source):
            odometry.register_frame(points.astype(np.float64), np.zeros(len(points)))
        return odometry.last_pose

    return {'small_gicp GICP': small_gicp, 'kiss_icp': kiss_icp}
