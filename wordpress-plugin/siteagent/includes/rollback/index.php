<?php
// Backups, the watchdog of a new version, and restoring the previous one.
