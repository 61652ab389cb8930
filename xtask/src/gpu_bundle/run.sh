#!/usr/bin/env bash
# Proves and measures the CUDA backend on a machine with an NVIDIA GPU: needs its driver and bash; Python with PyTorch
# and compute-sanitizer for the steps that are named after them, which are left out, and named at the end, without.
#
#   ./run.sh [STEP...]      STEP is device, host, ops, layers, steps, sanitizer or rates; all of them if none is named
#
# Results go to results/. FASTLEARN_BUNDLE=tiny takes sizes at which everything runs once, in moments each.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Where containers have the driver's library; what was there before comes first.
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/usr/local/nvidia/lib64:/usr/local/nvidia/lib"
# A test without a device fails instead of leaving itself out.
export FASTLEARN_REQUIRE_GPU=1
export RUST_BACKTRACE=1
ulimit -c 0

readonly results=${OUT:-results}
readonly python=${FASTLEARN_PYTHON:-python3}
readonly tiny=$([[ ${FASTLEARN_BUNDLE:-} == tiny ]] && echo yes)
mkdir -p "$results"
passed=() failed=() left_out=()

# run NAME COMMAND...: keeps what the command says in results/NAME.log and notes how it ended.
run() {
    local name=$1 start=$SECONDS
    shift
    if "$@" >"$results/$name.log" 2>&1; then
        passed+=("$name")
        printf 'ok      %5d s  %s\n' $((SECONDS - start)) "$name"
    else
        failed+=("$name")
        printf 'FAILED  %5d s  %s\n' $((SECONDS - start)) "$name"
        tail -n 25 "$results/$name.log" | sed 's/^/        /'
    fi
}

# leave_out NAME REASON: nothing is left out quietly.
leave_out() {
    left_out+=("$1: $2")
    echo "LEFT OUT         $1: $2"
}

# tests EXECUTABLE: the names of its tests of a device, one a line.
tests() {
    ./"$1" --list --format terse | sed -n 's/: test$//p' | grep -E "^(f32|bf16|tf32|steps)::"
}

# each EXECUTABLE PREFIX COMMAND...: every test in a process of its own, because a fault on the device ends the process.
each() {
    local executable=$1 prefix=$2 test
    shift 2
    for test in $(tests "$executable"); do
        run "$prefix-$executable-${test//::/-}" "$@" ./"$executable" --exact "$test" --test-threads=1 --include-ignored
    done
}

step_device() {
    if command -v nvidia-smi >/dev/null; then
        nvidia-smi -L
        nvidia-smi --query-gpu=driver_version,clocks.max.sm,clocks.max.mem,power.limit --format=csv
    else
        leave_out device "there is no nvidia-smi"
    fi
}

step_host() {
    run tests-cuda_host ./cuda_host --test-threads=1
}

step_ops() {
    if [[ $tiny ]]; then export FASTLEARN_CASES=9; fi
    each cuda_ops tests env
    unset FASTLEARN_CASES
}

step_layers() {
    export FASTLEARN_EXTENTS=full
    if [[ $tiny ]]; then export FASTLEARN_EXTENTS=reduced FASTLEARN_CASES=16; fi
    each cuda_layers tests env
    unset FASTLEARN_EXTENTS FASTLEARN_CASES
}

step_steps() {
    each cuda_steps tests env
}

# A tenth of the cases: the tools slow a kernel down tenfold and more.
step_sanitizer() {
    local tool
    if ! command -v compute-sanitizer >/dev/null; then
        leave_out sanitizer "there is no compute-sanitizer"
        return
    fi
    export FASTLEARN_CASES=10
    for tool in memcheck racecheck synccheck; do
        each cuda_ops "$tool" compute-sanitizer --tool "$tool" --error-exitcode 99
    done
    unset FASTLEARN_CASES
}

step_rates() {
    local amount=()
    if [[ $tiny ]]; then amount=(--tiny); fi
    run rates-ours env FASTLEARN_DEVICE=cuda ./rates "$results/ours.json" "${amount[@]}"
    if ! "$python" -c 'import torch, torchvision' 2>/dev/null; then
        leave_out rates-theirs "$python cannot import torch and torchvision"
        return
    fi
    [[ -s $results/ours.json ]] || return
    run rates-theirs "$python" torch_rates.py "$results/ours.json" "$results/theirs.json"
    run rates-table "$python" rates_table.py "$results/ours.json" "$results/theirs.json" "$results/rates.json"
    [[ -s $results/rates-table.log ]] && cat "$results/rates-table.log"
}

for step in "${@:-}"; do
    case $step in
        device | host | ops | layers | steps | sanitizer | rates) "step_$step" ;;
        "") for all in device host ops layers steps sanitizer rates; do "step_$all"; done ;;
        *)
            echo "run.sh: there is no step '$step': device, host, ops, layers, steps, sanitizer or rates" >&2
            exit 2
            ;;
    esac
done

echo "${#passed[@]} passed, ${#failed[@]} failed, ${#left_out[@]} left out; details in $results/"
for name in "${failed[@]+"${failed[@]}"}"; do echo "FAILED: $name"; done
for line in "${left_out[@]+"${left_out[@]}"}"; do echo "LEFT OUT: $line"; done
((${#failed[@]} == 0 && ${#passed[@]} > 0))
