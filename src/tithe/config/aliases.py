"""What other tools call a setting, so that the error for such a key can name ours."""

from __future__ import annotations

# Our names, of the native config and of the documented formats, each with those of other tools.
_OTHER_NAMES: dict[tuple[str, ...], str] = {
    ("learning_rate", "lr"): "base_lr max_lr peak_lr init_lr initial_lr rate step_size",
    ("encoder_learning_rate", "backbone_learning_rate"): "encoder_lr backbone_lr lr_encoder bert_lr base_model_lr",
    ("min_learning_rate", "min_lr"): "eta_min lr_min lr_end final_lr",
    ("batch_size",): "batch bs bsz batchsize mini_batch_size micro_batch_size train_batch_size "
    "per_device_train_batch_size per_gpu_train_batch_size per_device_batch_size",
    ("accumulation_steps", "gradient_accumulation_steps"): "grad_accum grad_acc accum accumulation "
    "grad_accum_steps grad_accumulation gradient_accumulation accumulate_grad_batches",
    ("epochs", "num_epochs"): "epoch n_epochs nb_epochs max_epochs train_epochs num_train_epochs total_epochs",
    ("max_length", "max_seq_length"): "max_len maxlen max_seq_len seq_len seq_length sequence_length max_tokens "
    "model_max_length max_sequence_length",
    ("weight_decay",): "wd l2 decay l2_regularization",
    ("betas",): "beta adam_betas adam_beta1 adam_beta2 beta1 beta2",
    ("clip_norm", "gradient_clip_val", "max_grad_norm"): "clip grad_clip clip_grad clip_grad_norm gradient_clip "
    "gradient_clipping",
    ("schedule", "scheduler", "type"): "lr_scheduler lr_scheduler_type lr_schedule sched scheduler_type",
    ("warmup_steps",): "warmup num_warmup_steps n_warmup_steps",
    ("schedule_steps", "num_training_steps"): "max_steps total_steps num_steps",
    ("precision", "mixed_precision", "use_amp"): "fp16 bf16 amp half dtype torch_dtype",
    ("patience", "early_stopping_patience"): "early_stopping early_stop",
    ("label_smoothing",): "label_smoothing_factor smoothing ls",
    ("ema_decay",): "ema use_ema",
    ("log_every_steps",): "logging_steps log_every log_every_n_steps log_interval print_freq",
    ("every_batches", "save_every_n_bathces", "save_interval"): "save_steps save_every checkpoint_every",
    ("keep",): "save_total_limit save_top_k keep_last max_checkpoints",
    ("best_by", "save_best_by"): "metric_for_best_model monitor best_metric",
    ("resume", "resume_from"): "resume_from_checkpoint ckpt_path checkpoint_path resume_path",
    ("encoder", "model_name"): "model_name_or_path model_id model_path pretrained pretrained_model backbone "
    "base_model bert hf_model",
    ("pooling",): "pool pooling_mode pooler",
    ("size", "img_size"): "image_size crop_size resolution input_size",
    ("hidden_dim",): "hidden_size mlp_dim head_dim",
    ("dropout",): "dropout_rate dropout_prob drop_rate classifier_dropout head_dropout",
    ("encoder_dropout",): "hidden_dropout hidden_dropout_prob attention_dropout",
    ("attention", "attention_implementation"): "attn attn_implementation attention_type flash_attention use_flash_attn",
    ("freeze", "freeze_layers"): "freeze_encoder freeze_backbone frozen freeze_base num_frozen_layers",
    ("lora",): "peft adapter adapters use_lora lora_config peft_config qlora",
    ("rank",): "r lora_r lora_rank",
    ("alpha",): "lora_alpha",
    ("blocks",): "layers_to_transform last_layers last_blocks",
    ("targets",): "target_modules lora_target_modules lora_targets",
    ("path", "parquet_path", "dataset_path", "data_root"): "data_path data_file dataset dataset_name train_file "
    "train_path train_data csv csv_path input_file",
    ("text_column",): "text_col text_field text_key sentence_column input_column x_col",
    ("label_column",): "label_col label_field label_key target target_column target_col y_col class_column",
    ("val_ratio",): "val_split validation_split val_size valid_ratio dev_ratio eval_ratio validation_ratio",
    ("test_ratio",): "test_split test_size holdout",
    ("num_workers",): "workers n_workers dataloader_num_workers num_proc n_jobs",
    ("class_weights",): "class_weight weighted_loss use_class_weights balanced",
    ("seed",): "random_seed random_state rng_seed manual_seed",
    ("out", "checkpoints_dir", "output_dir"): "out_dir outdir save_dir run_dir default_root_dir output output_path",
    ("name", "run_name"): "experiment_name exp_name experiment project_name",
    ("trials", "tuning_n_iterations"): "n_trials num_trials",
    ("strategy", "strategy_name"): "selection method sampling_strategy",
    ("budget",): "fraction keep_ratio subset_ratio",
}
_OURS = {other: ours for ours, others in _OTHER_NAMES.items() for other in (*ours, *others.split())}


def our_names(key: str) -> tuple[str, ...]:
    """Return what a key of another tool may be called here; nothing for a key that none of them uses."""
    return _OURS.get(key.lower().replace("-", "_"), ())
