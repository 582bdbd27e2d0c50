<?php
// Copies of former versions, and restoring them.
