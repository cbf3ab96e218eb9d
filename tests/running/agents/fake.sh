#!/bin/sh
# An agent that does what a script says: the first file for its first start in a task, and so on; the last one for all
# that follow. What it is told goes into `$PROMPT`; its session is a file in its home.
if [ "$1" = --version ]; then echo "fake 1.2.3"; exit; fi
while [ $# -gt 0 ]; do
  case "$1" in --session | --resume) HOW="$1" SESSION="$2"; shift ;; esac
  shift
done
PROMPT="$HOME/prompt"
cat > "$PROMPT"
START=$(($(cat "$HOME/starts" 2> /dev/null || echo 0) + 1))
echo "$START" > "$HOME/starts"
echo "agent $OUTPOST_TASK $START $HOW" >> "$LEDGER"
if [ "$HOW" = --resume ] && [ ! -e "$HOME/session-$SESSION" ]; then echo "no such session: $SESSION" >&2; exit 1; fi
touch "$HOME/session-$SESSION"
echo "{\"type\":\"session\",\"id\":\"$SESSION\"}"

say() { echo "{\"type\":\"say\",\"text\":\"$*\"}"; }
answer() { mkdir -p .outpost; cat > .outpost/result.json; }
# What it cost, in dollars and tokens.
finish() { echo "{\"type\":\"end\",\"ok\":true,\"turns\":1,\"cost\":${1:-0.01},\"usage\":{\"input\":${2:-10},\"cached\":0,\"output\":0}}"; }
trouble() { echo "{\"type\":\"error\",\"message\":\"$*\"}"; exit 1; }
told() { grep -q -- "$1" "$PROMPT" || trouble "the prompt does not say: $1"; }
untold() { if grep -q -- "$1" "$PROMPT"; then trouble "the prompt says: $1"; fi; }

SCRIPT="$FAKE_AGENT_SCRIPT/$OUTPOST_TASK.$START"
while [ ! -e "$SCRIPT" ] && [ "$START" -gt 1 ]; do START=$((START - 1)) SCRIPT="$FAKE_AGENT_SCRIPT/$OUTPOST_TASK.$START"; done
. "$SCRIPT"
