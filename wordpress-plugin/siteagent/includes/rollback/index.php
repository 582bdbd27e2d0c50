<?php
// Watching a new version, and putting the previous one back.
