# To be sourced. `part COMMAND …` runs a command and records its seconds, which are printed when the script ends,
# however it ends. `part` returns the command's exit code, so with `set -e` a failure ends the script.
parts=()

part() {
  local began=$SECONDS code=0
  echo "== $*"
  "$@" || code=$?
  parts+=("$(printf '%6d s  %s%s' "$((SECONDS - began))" "$*" "$([ "$code" -eq 0 ] || echo "  FAILED ($code)")")")
  return "$code"
}

# skipped WHAT WHY
skipped() {
  parts+=("$(printf '%8s  %s: %s' skipped "$1" "$2")")
  echo "skipped $1: $2"
}

print_parts() {
  echo "== what took how long"
  printf '%s\n' ${parts[@]+"${parts[@]}"} "$(printf '%6d s  in all' "$SECONDS")"
}
trap print_parts EXIT
