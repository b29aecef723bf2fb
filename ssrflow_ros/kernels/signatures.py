# ruff: noqa: E501
"""What each kernel is called with in a stream: what a first start compiles. By `python -m studies.kernel_signatures`.

File, kernel, and numba's types of its arguments, of which there may be several sets: `float32[:, ::1]` is an array of
two axes, row after row in memory; a tuple is one argument.
"""

SIGNATURES: dict[str, dict[str, list[str]]] = {
    'alignment': {
        'aligned': [
            'float32[:, :, ::1], int64[::1], float32[:, :, ::1], int64[::1], float64[:, ::1], float64[::1], int64, float64, float64, float64, float64'
        ]
    },
    'beams': {
        'beside': [
            'float32[:, ::1], float32[:, ::1], int32[::1], int64, float32, int64, int64, int64, float32, float32, int64'
        ],
        'by_direction': ['float32[:, ::1], float32[::1], float32[::1], float32[::1]'],
        'directions': ['float32[:, ::1]'],
        'filled': [
            'float32[:, ::1], int64[::1], float32[:, ::1], int32[::1], int64, float32, int64, int64, float32, float32, float64'
        ],
        'is_beside_the_next': ['float32[:, ::1], float32, float32, float32'],
        'is_past_another': ['float32[:, ::1], int32[::1], int64, int32[::1], float32, float32, float32, float32'],
        'only': ['float32[:, ::1], int32[::1], int64, int32[::1], int64[::1]'],
        'passing': ['float32[:, ::1], float32[:, ::1], int32[::1], int64, float32, float32, int64'],
    },
    'bodies': {
        'boxes': ['float32[:, ::1], int64[::1], float64[::1]'],
        'displaced': ['float32[:, ::1], int64[::1], float64[:, ::1], float64[:, ::1], float64[::1], float64[::1]'],
        'points_near_ends': [
            'float32[:, ::1], int64[::1], float64[:, ::1], float64[::1], float64[:, ::1], float64, float64'
        ],
    },
    'boxes': {
        'box_of_each': ['float32[:, ::1], float32[:, ::1], float32[::1], float32[::1], float32[:, ::1], int32[::1]']
    },
    'cubes': {
        'clustered': ['float32[:, ::1], float32[:, ::1], int64[::1], float64, int64, float64, float64, float64, int64'],
        'cube_means': ['float32[:, ::1], float64, float64'],
        'cubes': ['float32[:, ::1], float64, float64[::1]'],
        'thinned': ['float32[:, ::1], int64[::1], float32[:, ::1], int64[::1], int64[::1], int64, float64, int64'],
    },
    'curve': {'along_curve': ['float32[:, ::1]'], 'ascending': ['uint32[::1]']},
    'ends': {
        'ends_of': [
            'int64[::1], float32[:, ::1], int64[::1], float32[:, ::1], int64[::1], float32[::1], float32[::1], int64[::1], float64[:, :, ::1], float64[:, ::1], float64, float64, float64, int64'
        ]
    },
    'farthest_point': {'_sample': ['float32[:, ::1], int32[::1], int64[::1]']},
    'groups': {
        'any_near': ['float32[:, ::1], int64[::1], bool[::1], float32[:, ::1], float32'],
        'chosen_evenly': ['int64[::1], int64'],
        'company': ['float32[:, ::1], int64[::1], float64, int64'],
        'greatest': ['float64[::1], int64[::1], int64[::1], float64[::1]'],
        'lengths': ['float32[:, ::1]'],
        'medians': ['float32[:, ::1], int64[::1], int64'],
        'mostly_of': ['int64[::1], int64[::1], int64[::1], bool[::1], int64'],
        'moved_together': ['float32[:, ::1], int64[::1], float32[:, ::1]'],
        'rows_by_number': ['int32[::1]', 'int64[::1]'],
        'shares': ['bool[:, ::1], int64[::1]'],
        'summed_up': [
            'float32[:, ::1], float32[:, ::1], int64[::1], int64[::1], (bool[::1], bool[::1], bool[::1], bool[::1], bool[::1], bool[::1],)'
        ],
        'touched_by': ['int64[::1], int64[::1], int64[::1], bool[::1], int64'],
    },
    'interpolation': {
        'interpolated': ['float32[:, ::1], int32[::1], int64[:, ::1], float32[:, ::1], float32[:, ::1], float32']
    },
    'kd_tree': {
        '_boxes': ['float32[:, ::1], int32[::1]'],
        '_build': ['float32[:, ::1]'],
        '_search': [
            'Tree(float32[:, ::1], int32[::1], int32[::1], int8[::1], float32[::1], float32[:, ::1], float32[:, ::1]), float32[:, ::1], int32[::1], int64, int64[:, ::1], float32[:, ::1]'
        ],
    },
    'maps': {
        'connected_things': [
            'float32[:, ::1], (bool[::1], bool[::1], bool[::1], bool[::1],), float32[:, ::1], float64, int64, int64'
        ],
        'layers_about': ['float32[:, ::1], float32, float32, int64'],
        'lies_beside': ['float32[:, ::1], uint8[:, ::1], float32, float32'],
    },
    'near_field': {
        'near_cells': ['float32[:, ::1], float32, float32, int64'],
        'without_rows': ['float32[:, ::1], int64[::1], int64[::1]'],
    },
    'outliers': {'has_company': ['float32[::1], float32[::1], float32[::1], int64, float64']},
    'patches': {
        'convolved': [
            'float32[:, ::1], (int64[:, ::1], float32[:, ::1],), (((float32[:, ::1], float32[::1],), (float32[:, ::1], float32[::1],), (float32[:, ::1], float32[::1],),), (float32[:, :, ::1], float32[::1],),), int64, float32, int64, int64[::1], float32[:, ::1]'
        ],
        'described': [
            'float32[:, ::1], float32[:, ::1], float32, float32, float32, (float32[:, :, ::1], float32[::1],), (float32[:, :, ::1], float32[::1],), float32, int64, int64[::1], float32[:, ::1]'
        ],
        'flow_embedded': [
            'float32[:, ::1], float32[:, ::1], (int64[:, ::1], float32[:, ::1],), (int64[:, ::1], float32[:, ::1],), (float32[:, :, ::1], float32[::1],), (float32[:, :, ::1], float32[::1],), (float32[:, :, ::1], float32[::1],), (((float32[:, ::1], float32[::1],), (float32[:, ::1], float32[::1],), (float32[:, :, ::1], float32[::1],),), ((float32[:, ::1], float32[::1],), (float32[:, ::1], float32[::1],), (float32[:, :, ::1], float32[::1],),),), int64, float32, int64, int64[:, ::1], float32[:, ::1], float32[:, ::1], float32[:, ::1], float32[:, ::1]'
        ],
        'interpolate': ['float32[:, ::1], int64[:, ::1], float32[:, ::1], int64, float32[:, ::1]'],
        'inverse_distances': ['float32[:, ::1], float32[:, ::1], int64[:, ::1], int64, float32, float32[:, ::1]'],
        'joined': [
            'float32[:, ::1], float32[:, ::1], int64[:, ::1], float32[:, ::1], int64, (float32[:, :, ::1], float32[::1],), (float32[::1], float32[::1],), float32, int64, int64[::1], float32[:, ::1]'
        ],
        'layer': ['float32[:, ::1], (float32[:, :, ::1], float32[::1],), float32, int64, int64[::1], float32[:, ::1]'],
        'offsets_of': [
            'float32[:, ::1], float32[:, ::1], int64[:, ::1], int64, float32, float32, float32, int64[:, ::1], float32[:, ::1]'
        ],
        'predicted': [
            'float32[:, ::1], (int64[:, ::1], float32[:, ::1],), (float32[::1], float32[::1],), (((float32[:, ::1], float32[::1],), (float32[:, ::1], float32[::1],), (float32[:, ::1], float32[::1],),), (float32[:, :, ::1], float32[::1],),), (((float32[:, ::1], float32[::1],), (float32[:, ::1], float32[::1],), (float32[:, ::1], float32[::1],),), (float32[:, :, ::1], float32[::1],),), (float32[:, :, ::1], float32[::1],), (float32[:, :, ::1], float32[::1],), (float32[::1], float32[::1],), (float32[:, :, ::1], float32[::1],), int64, float32, int64, int64[:, ::1], float32[:, ::1], float32[:, :, ::1], float32[:, ::1], float32[:, ::1]'
        ],
        'reembedded': [
            'float32[:, ::1], float32, float32[:, ::1], (int64[:, ::1], float32[:, ::1],), (int64[:, ::1], float32[:, ::1],), ((float32[:, ::1], float32[::1], float32[:, ::1], float32[:, ::1], float32[::1],), (float32[:, :, ::1], float32[::1],), (float32[:, :, ::1], float32[::1],), (float32[:, :, ::1], float32[::1],), (float32[:, :, ::1], float32[::1],),), ((float32[:, ::1], float32[::1], float32[:, ::1], float32[:, ::1], float32[::1],), (float32[:, :, ::1], float32[::1],), (float32[:, :, ::1], float32[::1],), (float32[:, :, ::1], float32[::1],), (float32[:, :, ::1], float32[::1],),), (float32[:, :, ::1], float32[::1],), int64, float32, int64, int64[:, ::1], float32[:, :, ::1], float32[:, ::1]'
        ],
    },
    'pillars': {
        '_around': [
            '(float32[:, ::1], int32[::1], int32[::1], float32[::1], float64,), float32[:, ::1], int64[:, ::1]'
        ],
        '_search': [
            '(float32[:, ::1], int32[::1], int32[::1], float32[::1], float64,), float32[:, ::1], int64[::1], float32[::1]'
        ],
        '_sorted': ['float32[:, ::1]'],
    },
    'plane': {'robust_plane': ['float64[:, ::1], int64, float64, float64']},
    'point_to_plane': {
        'moved': ['float64[:, ::1], float64[:, ::1]', 'float64[:, ::1], float64[::1, :]'],
        'normal_equations': [
            'float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[::1], float32[::1], float64, float64'
        ],
        'normals': ['float64[:, ::1], int64[:, ::1]'],
        'off_planes': ['float64[:, ::1], float64[:, ::1], float64[:, ::1]'],
        'spread': ['float64[:, ::1], bool[::1]'],
    },
    'polar_grid': {
        'grown': ['float32[:, ::1], float32[:, ::1], float64[::1], float64, float64, float64'],
        'heights_over': ['float32[:, ::1], float32[::1]'],
        'lowest_of_cells': ['float32[::1], int16[::1], float32[::1]', 'float32[:], int16[::1], float32[::1]'],
        'on_surface': ['float32[::1], float32[::1], int16[::1], float32[:, ::1], bool[::1], float32, float32'],
        'polar_cells': ['float32[:, ::1], int64, int64, float64, float64'],
    },
    'range_image': {
        'cells_of': ['float32[:, ::1], float32[:, ::1], float64, float64, int64, int64'],
        'lies_beyond': ['float32[::1], int32[::1], float32[::1], float32, float32'],
        'nearest_about': ['float32[::1], int64, int64, int64, int64'],
        'nearest_beside': ['float32[::1], int32[::1], int64, int64'],
        'nearest_in_each': ['int32[::1], float32[::1], int64, int64'],
    },
    'returns': {
        'answers': [
            'float32[:, ::1], int64[::1], float32[:, ::1], bool, float32[:, ::1], bool[::1], int32[::1], float32[::1], float32[:, ::1], float32[:, ::1], float32'
        ],
        'put_rows': ['float32[:, ::1], int64[::1], float32[:, ::1]'],
        'rows_in_range': ['float32[:, ::1], float64, bool[::1]'],
        'rows_of': ['float32[:, ::1], int64[::1]', 'float32[:, ::1], int64[:]', 'float64[:, ::1], int64[::1]'],
        'transformed_returns': ['float32[:, ::1], float32[:, ::1]', 'float32[:, ::1], float32[::1, :]'],
        'usable_returns': ['float32[:, ::1], float64, float64[::1], float64[::1]'],
    },
    'tiles': {
        'costs': [
            '(uint8[:, :, ::1], float32[:, :, ::1], int64[::1],), (uint8[:, :, ::1], float32[:, :, ::1], int64[::1],), float64[::1], float32[:, ::1], float32[:, ::1], int64, int64[::1], float64[:, :, ::1]'
        ],
        'evenly_within': [
            'float32[::1], float32[::1], int64[::1], int64[::1], float64[:, ::1], float64[:, ::1], int64'
        ],
        'extents': ['float32[:, ::1], int64[::1]'],
        'laid_out': [
            'float32[::1], float32[::1], int64[::1], float32[::1], float32[:, ::1], float32[:, ::1], float32[:, ::1], int64, int64'
        ],
        'searched': [
            '(uint8[:, :, ::1], float32[:, :, ::1], int64[::1],), (uint8[:, :, ::1], float32[:, :, ::1], int64[::1],), float64[::1], float32[:, ::1], float32[:, ::1], int64, float64[:, ::1], float64[:, :, ::1], float64[::1], float64[::1], int64, float64[:, ::1], float64'
        ],
        'sorted_into_blocks': ['float32[:, ::1], float64, int64'],
        'within': [
            'float32[:, ::1], int32[::1], float64, int64, float32[:, ::1], float32[::1], float32[::1], float32[::1]'
        ],
    },
}
