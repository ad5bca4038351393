"""Which tests take long, for `make check` (``-m "not slow"``).

Not what is important but what is quick runs there: these train networks to a good score, scan
whole slides, start and kill processes, or run the pages of the documentation. Chosen by measured
CPU time: a file as a whole where its fixtures take more than two seconds, single tests above one
second elsewhere. ``pytest --durations=30 -m "not slow"`` shows what has become
long since.
"""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["SLOW"]

#: Folders, files, and functions of files, below ``tests/``.
SLOW = frozenset(
    [
        "_serialization/test_version_1.py",
        "test_no_cell.py",
        "_utils/test_files.py::test_a_full_disk_leaves_the_earlier_file_alone",
        "_utils/test_images.py::test_rarer_types_train_and_predict",
        "_utils/test_lock.py",
        "_utils/test_progress.py::test_a_full_disk_leaves_what_was_there",
        "benchmarks",
        "cli/test_cautions.py::test_a_model_is_not_scored_on_its_own_patches_in_silence",
        "cli/test_classify.py",
        "cli/test_detect.py",
        "cli/test_evaluate.py",
        "cli/test_export.py",
        "cli/test_hotspots.py",
        "cli/test_info.py",
        "cli/test_main.py",
        "cli/test_patches.py",
        "cli/test_mine.py",
        "cli/test_predict.py",
        "cli/test_read_errors.py",
        "cli/test_resume.py",
        "cli/test_scan.py",
        "cli/test_score.py",
        "cli/test_signals.py",
        "cli/test_train.py",
        "cli/test_training_lines.py::test_train_writes_lines_but_for_a_terminal_or_who_wants_none",
        "datasets/test_ground.py::test_slide_has_nuclei_where_the_truth_says",
        "features/test_transformer.py::test_classes_are_told_apart_by_a_support_vector_machine",
        "features/test_transformer.py::test_import_leaves_skimage_alone",
        "features/test_transformer.py::test_two_processes_agree_with_one",
        "networks/test_ciresan.py::test_everywhere_is_window_by_window",
        "networks/test_ciresan.py::test_takes_any_patch",
        "networks/test_localizers.py::test_shapes_and_every_weight_learns",
        "networks/test_shared.py::test_maps_are_made_again_where_they_are_not_given",
        "networks/test_shared.py::test_takes_any_patch_and_every_weight_learns",
        "networks/test_shared.py::test_tta_averages_over_patches_turned_together_with_their_windows",
        "networks/test_stn.py::test_glimpses_are_weighted_by_the_heatmap",
        "networks/test_stn.py::test_stn_takes_any_patch",
        "networks/test_stn.py::test_tta_averages_over_turned_and_mirrored_windows",
        "networks/test_window_classifiers.py::test_classifier_shapes_and_every_weight_learns",
        "onnx",
        "persistence",
        "report/test_browser.py",
        "report/test_examples_figure.py::test_figure_leaves_pyplot_alone",
        "scan/test_ensemble_finder.py",
        "scan/test_finders.py",
        "scan/test_many.py",
        "scan/test_map_finder.py",
        "scan/test_scan.py",
        "scan/test_unreadable.py",
        "slides/test_fill.py",
        "slides/test_extract.py::test_a_killed_run_goes_on_where_it_was",
        "slides/test_extract.py::test_a_killed_run_without_random_state_keeps_its_offsets",
        "slides/test_extract.py::test_results_do_not_depend_on_tiles_and_threads",
        "slides/test_regions.py::test_a_slide_is_never_read_as_a_whole",
        "slides/test_slide.py::test_a_forked_process_reads_too",
        "slides/test_slide.py::test_memory_does_not_grow_with_the_slide",
        "slides/test_slide.py::test_tissue_mask_finds_the_cells_and_the_glass",
        "test_bad_input.py::test_warm_start_refuses_something_else",
        "test_base.py",
        "test_baseline.py",
        "test_classifier.py",
        "test_common.py",
        "test_dask.py",
        "test_docs.py",
        "test_ensemble.py",
        "test_faults.py",
        "test_forking.py",
        "test_interruptions.py",
        "test_numerical_health.py",
        "test_pixel_units.py",
        "test_prediction.py",
        "test_properties.py",
        "test_reference_predictions.py",
        "test_sklearn_tools.py",
        "training/test_callbacks.py",
        "training/test_checkpoint.py",
        "training/test_cuda_graph.py",
        "training/test_killed.py",
        "training/test_stage_run.py::test_micro_batches_add_up_to_the_whole_gradient",
        "training/test_net.py::test_the_number_of_threads_changes_nothing",
        "training/test_stage.py::test_joint_loss_is_equation_9_on_the_chosen_window",
        "training/test_stage.py::test_only_the_joint_stage_shows_the_window_that_was_found",
        "training/test_stage.py::test_which_weights_move_in_which_stage",
        "training/test_transfer.py",
    ]
)

#: Of these the files that take longest in all, the longest first.
FIRST = (
    "test_common.py",
    "scan/test_scan.py",
    "test_docs.py",
    "onnx/test_export.py",
    "test_dask.py",
    "test_forking.py",
    "test_sklearn_tools.py",
    "cli/test_detect.py",
    "cli/test_read_errors.py",
)

#: Fixtures that train: whatever uses them takes long.
SLOW_FIXTURES = frozenset(["road"])

TESTS = Path(__file__).parent


def names(path, function):
    """List the names under which a test may stand in `SLOW`: its folders, file and function."""
    relative = Path(path).relative_to(TESTS)
    folders = [folder.as_posix() for folder in relative.parents][:-1]
    return {*folders, relative.as_posix(), f"{relative.as_posix()}::{function}"}


def rank(path):
    """Give a file's place: long ones begin first, so that no process has one left at the end."""
    file = Path(path).relative_to(TESTS).as_posix()
    if file in FIRST:
        return FIRST.index(file)
    return len(FIRST) + (not names(path, None) & SLOW)


def pytest_configure(config):
    """Have pytest-xdist hand out files in the order of `rank`, not by their number of tests."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    """Mark the tests that take long, and put their files first."""
    items.sort(key=lambda item: rank(item.path) if item.path.is_relative_to(TESTS) else -1)
    for item in items:
        if item.path.is_relative_to(TESTS):
            function = getattr(item, "originalname", None) or item.name
            if names(item.path, function) & SLOW or SLOW_FIXTURES & set(item.fixturenames):
                item.add_marker(pytest.mark.slow)
